"""``make licences``: judge the licences of what running needs; ``make docs`` writes them into docs/licences.md.

Read is the metadata of the installed packages that docker/cpu.lock and ci/torch.txt name: the licence expression
(PEP 639); where there is none, the older free field, if it holds an expression or one of SPELLINGS; then the
classifiers, joined with AND, the strictest reading. A licence must be permissive, or bind changes of the package alone
(LGPL, MPL: the packages are used unchanged). Anything else, and one that is not known, fails, unless EXCEPTIONS gives a
reason for that package.
"""

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/licences.md"
LOCKED = (ROOT / "docker/cpu.lock", ROOT / "ci/torch.txt")

ALLOWED = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0"),
    *("CNRI-Python", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "Zlib", "LicenseRef-BSD"),
    *("LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MPL-2.0"),
}
# Package -> why a licence outside of ALLOWED, or an unknown one, is acceptable. An entry without need fails.
EXCEPTIONS: Mapping[str, str] = {}
# What packages write into the older field, and classifiers, as SPDX names them. LicenseRef-BSD: clauses not told.
SPELLINGS = {
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
}
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "LicenseRef-BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
HEAD = """# Licences

<!-- Written by ci/licences.py from the metadata of the locked packages: run `make docs`. -->

What `docker/cpu.lock` and `ci/torch.txt` pin, which is all that loraruner needs to run, and under which licence its
makers give it. `make licences` fails for a licence that is neither permissive nor one that binds changes of the package
alone (LGPL, MPL; loraruner uses these packages unchanged), and for a package that tells none. Versions are in the lock;
what a version of an adapter was made with is in its `sbom.json`.

Not listed: what only development needs; the models of the examples; NVIDIA's libraries, which a CUDA build of torch
brings under NVIDIA's own terms. A wheel may carry libraries that its metadata leaves out: soundfile's carries
libsndfile (LGPL-2.1-or-later).

"known from" says how the package tells it: its licence expression, its older free field, or its classifiers. Several
classifiers count as if all applied. `LicenseRef-BSD` is a BSD licence without a word on its clauses.
"""


class Licence(NamedTuple):
    """What a package says about itself; ``expression`` (SPDX) is empty where that is not understood."""

    expression: str
    source: str


def main() -> None:
    """Judge, and with ``--write`` write the page; exits 1 with every reason why the packages do not pass."""
    parser = argparse.ArgumentParser(description="Judge the licences of the locked packages.")
    parser.add_argument("--write", action="store_true", help="write docs/licences.md")
    arguments = parser.parse_args()
    licences = installed()
    found = faults(licences, EXCEPTIONS)
    if arguments.write:
        PAGE.write_text(render(licences), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != render(licences):
        found.append("docs/licences.md is not what the packages say now: run make docs")
    for fault in found:
        print(f"make licences: {fault}", file=sys.stderr)
    print(f"make licences: {len(licences)} packages, {len(found)} faults")
    sys.exit(bool(found))


def installed() -> dict[str, Licence]:
    """The licence of every package that the locks name, by name."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in LOCKED)
    names = sorted(re.findall(r"^([a-z0-9._-]+)==", text, flags=re.MULTILINE))
    return {name: licence_of(metadata.metadata(name)) for name in names}


def licence_of(fields: metadata.PackageMetadata) -> Licence:
    """The licence that a package's metadata tell, by the first of three ways that does."""
    if expression := spdx(_one(fields, "License-Expression")):
        return Licence(expression, "expression")
    text = _one(fields, "License").strip()
    if expression := SPELLINGS.get(text) or spdx(text):
        return Licence(expression, "field")
    told = [each.rpartition(" :: ")[2] for each in fields.get_all("Classifier") or [] if each.startswith("License ::")]
    if told and all(each in CLASSIFIERS for each in told):
        return Licence(" AND ".join(sorted(CLASSIFIERS[each] for each in told)), "classifier")
    return Licence("", "nothing")


def _one(fields: metadata.PackageMetadata, name: str) -> str:
    return next(iter(fields.get_all(name) or []), "")


def spdx(text: str) -> str:
    """An SPDX expression in its usual spelling; empty for a text that is none."""
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return ""


def faults(licences: Mapping[str, Licence], exceptions: Mapping[str, str]) -> list[str]:
    """Every package whose licence the policy refuses, and every exception that nothing needs."""
    refused = {name: licence for name, licence in licences.items() if not allowed(licence.expression)}
    found = [
        f"{name}: {licence.expression or 'no licence that is understood'}: "
        "replace the package, or write the reason for it into EXCEPTIONS of ci/licences.py"
        for name, licence in refused.items()
        if not exceptions.get(name)
    ]
    return found + [f"{name} needs no exception: remove it" for name in exceptions if name not in refused]


def allowed(expression: str) -> bool:
    """Whether ALLOWED satisfies an SPDX expression: one side of an OR, both of an AND."""
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        names.append(match[0])
        return f"x{len(names) - 1}"

    text = re.sub(r"(?!(?:AND|OR)\b)\b[\w.+-]+(?: WITH [\w.+-]+)?", numbered, expression)
    return bool(names) and _holds(ast.parse(text.replace("AND", "and").replace("OR", "or"), mode="eval").body, names)


def _holds(node: ast.expr, names: list[str]) -> bool:
    if isinstance(node, ast.BoolOp):
        return (all if isinstance(node.op, ast.And) else any)(_holds(value, names) for value in node.values)
    return isinstance(node, ast.Name) and names[int(node.id[1:])] in ALLOWED


def render(licences: Mapping[str, Licence]) -> str:
    """The whole page."""
    counts = Counter(licence.expression or "unknown" for licence in licences.values())
    totals = "".join(f"| {name} | {count} |\n" for name, count in sorted(counts.items(), key=lambda c: (-c[1], c[0])))
    rows = "".join(f"| {name} | {each.expression or 'unknown'} | {each.source} |\n" for name, each in licences.items())
    reasons = "".join(f"- {name}: {reason}\n" for name, reason in sorted(EXCEPTIONS.items()))
    exceptions = f"\n## Exceptions\n\n{reasons}" if reasons else ""
    return (
        f"{HEAD}\n| licence | packages |\n| --- | --- |\n{totals}{exceptions}"
        f"\n## Packages\n\n| package | licence | known from |\n| --- | --- | --- |\n{rows}"
    )


if __name__ == "__main__":
    main()
