"""The team's loop on this machine: a ClickUp task is trained, reviewed, trained again, scored and released.

    make demo-loop

ClickUp, Smartsheet and the receiver of events are the stand-ins beside this file; everything else is what a team runs:
each command is printed as one would type it. Leaves transcript.md, report.html, comparison.html and dashboard.html in
out/loop.
"""

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import transcript
from clickup_server import LIST_ID, ClickUpServer
from smartsheet_server import SmartsheetServer
from webhook_receiver import WebhookReceiver

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OUT = ROOT / "out" / "loop"
LOG = OUT / "log.txt"
LORAS = "out/loop/loras"
TASK, TITLE = "86c2x9k1p", "Train Neon Style LoRA"
SECRET = "demo-webhook-secret"
SHOWN = ("CLICKUP_API_URL", "CLICKUP_TOKEN", "SMARTSHEET_API_URL", "SMARTSHEET_TOKEN", "LORARUNER_WEBHOOK_URL")
DISPATCH = (
    *("clickup", "dispatch", "--list", LIST_ID, "--status", "ready to train", "--template"),
    *("examples/loop/template.json", "--moving-to", "training", "--on-fault-status", "to do", "--format", "table"),
)
FIELDS = {
    "Rank": "number",
    "Steps": "number",
    "Trigger prompts": "text",
    "Project": "short_text",
    "Usage": "short_text",
    "Valid until": "date",
    "Licence scope": "short_text",
    "Model version": "short_text",
    "Duration (min)": "number",
    "Peak memory (GB)": "number",
}


class Story:
    """The demonstration: what was done, in transcript.md as it goes along."""

    def __init__(self, clickup: ClickUpServer, sheets: SmartsheetServer, receiver: WebhookReceiver) -> None:
        self.clickup, self.sheets, self.receiver = clickup, sheets, receiver
        self.sheet_id = sheets.add_sheet("LoRA runs", {"Project": "TEXT_NUMBER", "Customer score": "TEXT_NUMBER"})
        self.environment = {
            "CLICKUP_API_URL": clickup.url,
            "CLICKUP_TOKEN": clickup.token,
            "SMARTSHEET_API_URL": sheets.url,
            "SMARTSHEET_TOKEN": sheets.token,
            "LORARUNER_WEBHOOK_URL": receiver.url,
            "LORARUNER_WEBHOOK_SECRET": SECRET,
            "LORARUNER_WORKDIR": str(OUT / "work"),
        }
        self.parts = ["# The loop, as its people saw it"]
        self._num_read = 0

    def tell(self, title: str, text: str = "") -> None:
        """A chapter of the transcript, and a line on the screen."""
        print(f"\n== {title}", flush=True)
        self.parts += [f"\n## {title}\n", *([text] if text else [])]

    def show(self, text: str) -> None:
        """What somebody sees."""
        self.parts += ["", text]

    def run(self, *words: str, code: int = 0) -> None:
        """Run loraruner as a user would type it; another exit code than ``code`` ends the demonstration."""
        line = f"$ loraruner {shlex.join(words)}"
        print(line, flush=True)
        command = [sys.executable, "-m", "loraruner", "--log-format", "text", *words]
        with LOG.open("a+", encoding="utf-8") as log:
            log.write(f"{line}\n")
            log.flush()
            begins = log.tell()
            done = subprocess.run(
                command, cwd=ROOT, env=os.environ | self.environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
            log.seek(begins)
            told = done.stdout or log.read()
        print(told, end="", flush=True)
        self.show(transcript.block(f"{line}\n{told}"))
        if done.returncode != code:
            sys.exit(f"loraruner {words[0]} ended with {done.returncode}, not with {code}; see {LOG.relative_to(ROOT)}")

    def see_task(self) -> None:
        """The task as it stands."""
        self.show(transcript.thread(self.clickup, TASK, self._num_read))
        self._num_read = len(self.clickup.comments(TASK))

    def see_sheet(self) -> None:
        """The sheet as it stands."""
        self.show(transcript.sheet(self.sheets.rows(self.sheet_id)))


def main() -> None:
    """The whole story."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    began = time.monotonic()
    with ClickUpServer() as clickup, SmartsheetServer() as sheets, WebhookReceiver(secret=SECRET) as receiver:
        story = Story(clickup, sheets, receiver)
        print("the stand-ins of this demonstration:")
        for name in SHOWN:
            print(f"  {name}={story.environment[name]}")
        ask(story)
        train(story)
        review(story)
        release(story)
        look_back(story)
    (OUT / "transcript.md").write_text("\n".join(story.parts) + "\n", encoding="utf-8")
    print(f"\ndone in {time.monotonic() - began:.0f} s; look at")
    for name, what in {
        "transcript.md": "what each person saw: the task's thread, the sheet, the events",
        "report.html": "the report of the version that was released",
        "comparison.html": "both versions side by side",
        "dashboard.html": "who trains what, and how well it goes",
        "log.txt": "what the commands logged",
    }.items():
        print(f"  {(OUT / name).relative_to(ROOT)}: {what}")


def ask(story: Story) -> None:
    """A designer makes a task; a slip in a field is told on the task, and corrected."""
    clickup = story.clickup
    for name, kind in FIELDS.items():
        clickup.add_field(name, kind)
    clickup.add_field("Team", "drop_down", ["brand", "games"])
    clickup.create_task(TITLE, task_id=TASK)
    clickup.attach(TASK, "neon_style_20261101.zip", pictures())
    team = next(each for each in clickup.fields if each["name"] == "Team")["type_config"]["options"][0]["id"]
    typed = {"Rank": 0, "Project": "autumn-campaign", "Usage": "key visuals", "Valid until": 1_830_211_200_000}
    for name, value in {**typed, "Team": team}.items():
        clickup.set_value(TASK, name, value)
    clickup.move(TASK, "ready to train")
    story.tell(f"Mara makes the task '{TITLE}', attaches pictures, and types rank 0")
    story.run(*DISPATCH, code=64)
    story.see_task()


def train(story: Story) -> None:
    """The slip is corrected; the task is trained and comes back for review."""
    story.clickup.set_value(TASK, "Rank", 4)
    story.clickup.move(TASK, "ready to train")
    story.tell("She corrects the rank, and moves the task to 'ready to train' again (half a minute of training)")
    story.run(*DISPATCH)
    story.see_task()
    story.see_sheet()


def review(story: Story) -> None:
    """Somebody is not content: one comment, one move, the next version."""
    clickup = story.clickup
    clickup.comment(TASK, "set 3 is too dark, retrain")
    clickup.set_value(TASK, "Rank", 8)
    clickup.set_value(TASK, "Steps", 200)
    clickup.move(TASK, "ready to train")
    story.tell("The design lead finds set 3 too dark: another rank, more steps, back to 'ready to train'")
    story.run(*DISPATCH)
    story.see_task()
    story.tell("Another look, as the CronJob would, finds nothing to start")
    story.run(*DISPATCH)


def release(story: Story) -> None:
    """The customer scores, product approves, an admin releases, somebody uses it."""
    for row, score in enumerate((3.2, 4.8), start=1):
        story.sheets.set_cell(story.sheet_id, row, "Customer score", score)
    story.tell("The customer's scores are typed into the sheet, and taken over")
    story.see_sheet()
    story.run("registry", "sync", LORAS, "--sheet", str(story.sheet_id), "--format", "table")
    story.tell("Product approves version 2, an admin releases it, and somebody fetches what is released")
    version = f"{LORAS}/{TASK}@2"
    words = ("--comment", "lighter, and on brand", "--by", "Mara", "--format", "table")
    story.run("registry", "review", version, "--approve", *words)
    story.run("registry", "promote", version, "released", "--by", "admin", "--format", "table")
    story.run("registry", "pull", f"{LORAS}/{TASK}", "--to", "out/loop/released", "--format", "table")
    shutil.copyfile(ROOT / LORAS / TASK / "versions" / "2" / "report.html", OUT / "report.html")


def look_back(story: Story) -> None:
    """What management asks, and all that was sent as events."""
    story.tell("What the two versions differ in, and what the team has made")
    one, two = (f"{LORAS}/{TASK}@{number}" for number in (1, 2))
    story.run("registry", "compare", one, two, "--html", "out/loop/comparison.html", "--format", "table")
    story.run("registry", "stats", LORAS, "--html", "out/loop/dashboard.html", "--format", "table")
    story.tell("What the webhook's receiver got, every signature checked")
    told: list[dict[str, Any]] = list(story.receiver.events)
    story.show(transcript.events(told))
    (OUT / "events.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def pictures() -> bytes:
    """The style example's pictures and captions as an archive, as a designer attaches them."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted((ROOT / "examples" / "style" / "pictures").iterdir()):
            archive.write(path, f"neon_style_20261101/{path.name}")
    return packed.getvalue()


if __name__ == "__main__":
    main()
