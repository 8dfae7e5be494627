"""A look at a list against a server that enforces the dispatcher's policy, and the requests that it really sends."""

from pathlib import Path
from types import ModuleType

import pytest

from loraruner.dispatch import local
from loraruner.faults import proxy
from tests.support.dispatching import STATUS, Studio, Trainings, template
from tests.support.loop_scripts import ClickUpServer
from tests.support.roles import allowed, asked, policy
from tests.support.roles_server import ActAs, client, variables


@pytest.mark.slow
def test_the_dispatcher(
    act_as: ActAs, enforcing: str, seaweedfs: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Tasks claimed, a stopped run continued, one under way seen: all of it with the dispatcher's leave alone."""
    trainings = Trainings([85, 0])
    monkeypatch.setattr(local.Children, "train", lambda children, job, run_id: trainings.train(children, job, run_id))
    with ClickUpServer() as server, proxy.serve(enforcing) as before:
        studio, made = Studio(server, tmp_path), template("s3://loras/team/")
        for name in made.places:
            server.add_field(name, "text")
        task_id = studio.task()
        act_as("dispatcher", before.endpoint)
        looks = [[each.happened for each in studio.look(made)] for _ in range(2)]
        studio.server.move(task_id, STATUS)
        looks += [[each.happened for each in studio.look(made)]]
        monkeypatch.setattr(local.Children, "train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            studio.server.attach(task_id, "more.zip", b"more")
            studio.server.move(task_id, STATUS)
            studio.look(made)
        store = client(variables(seaweedfs, enforcing))
        keys = [each["Key"] for each in store.list_objects_v2(Bucket="loras", Prefix="team/")["Contents"]]
        for run_id in (f"{task_id}-{key.rpartition('/')[2][:12]}" for key in keys):
            status = f"team/{task_id}/runs/{run_id}/status.json"
            store.put_object(Bucket="loras", Key=status, Body=b'{"state": "running"}')
        studio.server.attach(task_id, "even-more.zip", b"more")
        studio.server.move(task_id, STATUS)
        looks += [[each.happened for each in studio.look(made)]]
    assert looks == [["started"], ["resumed"], ["started"], ["busy"]] and len(keys) == 3
    assert all(key.startswith(f"team/.dispatch/{task_id}/") for key in keys)
    wanted = {asked(each.method, each.path, each.headers) for each in before.seen}
    for policies in ([policy("dispatcher")], [policy("dispatcher"), policy("bucket-policy")]):
        assert [each for each in wanted if not allowed(policies, each)] == []
