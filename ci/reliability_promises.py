"""What docs/reliability.md promises, and the tests that prove it; tests/house checks that each of them exists."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """What a user can rely on, and the tests that would fail if it were broken."""

    text: str
    tests: tuple[str, ...]


STOPPED = "tests/endtoend/test_stopped_runs.py::"
PROMISES = (
    Promise(
        "SIGTERM or SIGINT in any stage ends the process with 85 within `checkpoint.grace_s`; no step is lost or done "
        "twice, also while captioning, encoding, measuring, sampling or sending a checkpoint",
        (
            f"{STOPPED}test_stopped_in_every_stage",
            f"{STOPPED}test_stopped_in_the_middle",
            f"{STOPPED}test_stopped_where_libraries_load",
            "tests/endtoend/test_captioned_job.py::test_stopped_while_captioning",
        ),
    ),
    Promise(
        "A second signal ends the process at once, and what the store shows is still whole",
        (f"{STOPPED}test_a_second_signal_ends_at_once", f"{STOPPED}test_nothing_is_torn_by_a_second_signal"),
    ),
    Promise(
        "The run measures how long leaving in order takes, and warns when `checkpoint.grace_s` is not enough",
        (
            "tests/training/test_grace.py::test_too_little_grace_is_warned_of_once",
            "tests/training/test_grace.py::test_the_first_step_of_each_attempt_is_committed",
        ),
    ),
    Promise(
        "SIGKILL at any instant of any stage: every checkpoint and version that the store shows is whole, the next "
        "attempt finishes, and the adapter has the bytes of an uninterrupted run",
        (
            "tests/endtoend/test_kills.py::test_nothing_is_lost",
            f"{STOPPED}test_the_end_of_publishing_is_not_torn",
        ),
    ),
    Promise(
        "SIGKILL costs the steps since the newest committed checkpoint and no others; a checkpoint counts once its "
        "manifest is there, and an old one goes only after a newer one is committed",
        (
            "tests/training/test_checkpoints.py::test_half_a_checkpoint_is_none",
            "tests/training/test_checkpoints.py::test_retention",
        ),
    ),
    Promise(
        "Resumed equals uninterrupted, bit for bit: weights, optimiser, random state and the loss of every step",
        (
            "tests/training/test_resume.py::test_resume_at_every_step",
            "tests/training/test_resume.py::test_resume_twice",
            "tests/endtoend/test_exact_resume.py::test_a_picture_run_is_resumed_bit_for_bit",
            "tests/endtoend/test_exact_resume.py::test_a_text_run_is_resumed_bit_for_bit",
            "tests/endtoend/test_dialect.py::test_a_real_whisper_is_resumed_bit_for_bit",
        ),
    ),
    Promise(
        "One attempt at a time writes for a run: a second one waits, and ends with 76 where the first is alive; one "
        "that was taken over ends with 76 and writes nothing more",
        (
            "tests/endtoend/test_fencing.py::test_an_attempt_that_froze_is_fenced",
            "tests/endtoend/test_fencing.py::test_a_second_attempt_beside_a_living_one",
            "tests/lease/test_lease_held.py::test_a_race_has_one_winner",
            "tests/lease/test_lease_held.py::test_an_owner_that_was_replaced",
        ),
    ),
    Promise(
        "After a kill on the same machine the next attempt takes the run over at once",
        (
            "tests/endtoend/test_fencing.py::test_the_next_attempt_after_a_kill",
            "tests/lease/test_lease_taken.py::test_a_process_that_is_gone",
        ),
    ),
    Promise(
        "A store without conditional writes is found out by the probe and loudly warned of",
        (
            "tests/stores/test_s3.py::test_probe_of_a_store_without_conditions",
            "tests/lease/test_lease_taken.py::test_without_conditions_it_says_so",
            "tests/test_publish.py::test_without_an_atomic_create",
        ),
    ),
    Promise(
        "A run uses up at most `LORARUNER_MAX_ATTEMPTS` attempts, then ends with 82",
        ("tests/lease/test_lease_taken.py::test_attempts_are_bounded",),
    ),
    Promise(
        "A faulty S3 store leads to the right bytes or to a documented exit code, never to wrong bytes",
        (
            "tests/faults/test_fault_kinds.py::test_right_bytes_or_a_documented_code",
            "tests/stores/test_s3_transfer.py::test_a_flipped_bit_is_found_and_cured",
            "tests/stores/test_s3_transfer.py::test_lasting_damage_is_an_integrity_error",
        ),
    ),
    Promise(
        "A version exists if and only if its manifest does; the manifest comes last and never changes, and the same "
        "job again finds it published",
        (
            "tests/test_publish.py::test_the_manifest_comes_last_and_lists_all",
            "tests/test_publish.py::test_a_failure_publishes_nothing",
            "tests/test_publish.py::test_a_version_never_changes",
        ),
    ),
    Promise(
        "403 is never taken for an absent checkpoint",
        ("tests/training/test_checkpoints.py::test_no_permission_is_not_no_checkpoint",),
    ),
    Promise(
        "Uploads run beside training and the newest checkpoint wins; one that fails is a warning, and 75 the third "
        "time in a row",
        (
            "tests/training/test_uploader.py::test_the_newest_wins",
            "tests/training/test_uploader.py::test_an_unavailable_store_is_a_warning_at_first",
            "tests/training/test_uploader.py::test_a_store_that_stays_away_ends_training",
            "tests/training/test_uploader.py::test_other_errors_surface",
        ),
    ),
    Promise(
        "Damage to a checkpoint, a cache entry, the base or a published version is found by digest and named; nothing "
        "is deleted, and the older checkpoint is used",
        (
            "tests/endtoend/test_corruption.py::test_the_newest_checkpoint",
            "tests/endtoend/test_corruption.py::test_every_cache_entry",
            "tests/endtoend/test_corruption.py::test_the_base_model",
            "tests/endtoend/test_corruption.py::test_a_published_version",
        ),
    ),
    Promise(
        "A full disk ends the run with 78 in one sentence, and the same job resumes once there is room",
        (
            "tests/endtoend/test_full_disk.py::test_a_ladder_of_small_disks",
            "tests/endtoend/test_full_disk.py::test_no_room_at_a_write",
            f"{STOPPED}test_a_disk_that_takes_no_more",
        ),
    ),
    Promise(
        "`latest.json` moves only after the version's manifest is there, and never back to an older version",
        (
            "tests/test_publish.py::test_the_pointer_never_moves_back",
            f"{STOPPED}test_the_end_of_publishing_is_not_torn",
        ),
    ),
    Promise(
        "A wrong job is refused with every fault at once, without network or torch",
        (
            "tests/spec/test_jobs.py::test_invalid_job_reports_exactly_its_faults",
            "tests/spec/test_document.py::test_hostile_bytes_are_refused_at_once",
        ),
    ),
    Promise(
        "A disk that gets too small ends the run with 78 before it is full; logs and metrics are bounded, and host "
        "memory stays flat",
        (
            "tests/training/test_disk_space.py::test_no_room_for_the_next_checkpoint",
            "tests/test_log.py::test_a_log_file_is_bounded",
            "tests/test_log.py::test_a_warning_of_every_step_is_thinned_out",
            "tests/training/test_metrics.py::test_a_very_long_training_is_thinned_by_step_number",
            "tests/training/test_flat_memory.py::test_memory_stays_flat",
        ),
    ),
)
