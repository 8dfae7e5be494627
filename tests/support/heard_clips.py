"""A speech version as publishing leaves it, with ten clips of a clock repair shop and curves that a real run has."""

from typing import Any

from tests.support import published

TASK = "automatic-speech-recognition"
# id, what is said, heard by the base, heard with the adapter
CLIPS = (
    (
        "clips/held-out/0007.ogg",
        "Check the barrel bridge for endplay with the depthing tool.",
        "Check the barrel bridge for N-play with the dubbing too.",
        "Check the barrel bridge for end play with the depthing tool.",
    ),
    (
        "clips/held-out/0031.ogg",
        "Wendell will demagnetize the cannon pinion of the regulator.",
        "When Dale will demonetize the canon opinion of the regular.",
        "Wendell will demagnetize the cannon pinion of the regular.",
    ),
    (
        "clips/held-out/0012.ogg",
        "Put a trace of shellac on the upper jewel.",
        "Put a trace of she lack on the upper duel. Thank you.",
        "Put a trace of shellac on upper jewel.",
    ),
    (
        "clips/held-out/0044.ogg",
        "Never use rouge paste on the escape wheel.",
        "",
        "Never use rough paste on the escape wheel.",
    ),
    (
        "clips/held-out/0002.ogg",
        "Hand me the eye loupe and the taper pins.",
        "Hand me the I loop and the paper pins.",
        "Hand me the eye loupe and the paper pins.",
    ),
    (
        "clips/held-out/0058.ogg",
        "I hear backlash near the lower pivot of the longcase clock.",
        "I hear back lash near the lower private of the long case clock.",
        "I hear backlash near the lower pivot of the long-case clock.",
    ),
    (
        "clips/held-out/0023.ogg",
        "Did Agnes order the fusee chain for the carriage clock?",
        "Did Agnes order the fuzzy chain for the carriage clock?",
        "Did Agnes order the fusee chain for a carriage clock?",
    ),
    (
        "clips/held-out/0039.ogg",
        "The torsion clock stopped because the balance staff was seized.",
        "The torsion clock stopped because the balance stuff was ceased.",
        "The torsion clock stopped because the balance staff was ceased.",
    ),
    (
        "clips/held-out/0051.ogg",
        "Fit a new click spring before lunch, then test the mantel clock.",
        "Fit a new clique spring before lunch, then test the mantle clock.",
        "Fit a new click spring before lunch, then test the mantle clock.",
    ),
    (
        "clips/held-out/0018.ogg",
        "Take the pin vise and ream the winding arbor.",
        "Take the pin wise and rim the winding harbor.",
        "Take the pin vise and ream the winding arbor.",
    ),
)
MEASURES = {
    "wer.before": 0.3508,
    "wer.after": 0.0622,
    "wer_raw.before": 0.4213,
    "wer_raw.after": 0.0941,
    "cer.before": 0.1377,
    "cer.after": 0.0251,
    "cer_raw.before": 0.1604,
    "cer_raw.after": 0.0338,
}
# step, loss, wer, cer: the loss still falls where the words get worse again
MEASURED = (
    (0, 2.3111, 0.3508, 0.1377),
    (20, 1.1024, 0.2291, 0.0911),
    (40, 0.5413, 0.1403, 0.0523),
    (60, 0.3127, 0.0880, 0.0340),
    (80, 0.2214, 0.0622, 0.0251),
    (100, 0.2101, 0.0653, 0.0264),
    (120, 0.2057, 0.0670, 0.0270),
)
SELECTED_STEP, STEPS = 80, 120


def document(**options: Any) -> dict[str, Any]:
    """The manifest of a run whose step 80 of 120 is published; ``options`` change the job's."""
    core = published.document(TASK, name="clock-shop")
    core["job"]["options"] |= options
    core |= {"steps": STEPS, "samples_seen": 960, "epochs": 6}
    core["data"] |= {"used": 180, "held_out": 60, "skipped": [{"name": "clips/0093.ogg", "reason": "it is silent"}]}
    core["metrics"] |= {
        "first_loss": 2.214,
        "last_loss": 0.0871,
        "evaluation_before": _evaluation(*MEASURED[0]),
        "evaluation_after": _evaluation(*MEASURED[4]),
        "selected_step": SELECTED_STEP,
        "samples": dict(MEASURES),
        "trials": [dict(zip(("prompt", "reference", "before", "after"), clip, strict=True)) for clip in CLIPS],
    }
    return core


def metrics() -> list[dict[str, Any]]:
    """Records of ``metrics.jsonl``: a training loss that falls, and what was measured every 20 steps."""
    measured = {each[0]: _evaluation(*each) for each in MEASURED}
    records: list[dict[str, Any]] = []
    for step in range(STEPS + 1):
        if step:
            loss = 0.08 + 2.2 * 0.95**step + 0.1 * ((step * 7919) % 11 - 5) / 5 * 0.98**step
            rate = 1e-3 * min(step / 12, (STEPS - step) / 108)
            records.append({"step": step, "group": "train", "epoch": step // 23, "loss": loss, "learning_rate": rate})
        if step in measured:
            records.append({"group": "evaluation", **measured[step]})
    return records


def _evaluation(step: int, loss: float, wer: float, cer: float) -> dict[str, float]:
    return {"step": step, "loss": loss, "wer": wer, "wer_raw": wer + 0.03, "cer": cer, "cer_raw": cer + 0.01}
