"""What no source file may name: loaders that run code, shells, unchecked archives, names and connections."""

import ast
from collections.abc import Iterator

# Modules that unpickle, and XML parsers: Python's own expand entities without end.
MODULES = {
    *("pickle", "_pickle", "cPickle", "pickletools", "dill", "cloudpickle", "joblib", "marshal", "shelve", "copyreg"),
    *("runpy", "imp", "xml", "lxml", "pyexpat", "torch.hub", "torch.serialization", "torch.package"),
    *("torch.utils.model_zoo", "numpy.lib.npyio", "numpy.lib._npyio_impl", "numpy.core.multiarray"),
}
NAMES = {
    *("eval", "exec", "compile", "__import__", "__builtins__", "importlib.__import__"),
    *("builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__"),
    *("torch.load", "torch.jit.load", "pandas.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all"),
    *("yaml.Loader", "yaml.CLoader", "yaml.FullLoader", "yaml.CFullLoader", "yaml.UnsafeLoader", "yaml.CUnsafeLoader"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("asyncio.create_subprocess_shell", "shutil.unpack_archive", "tempfile.mktemp"),
    *("ssl._create_unverified_context", "ssl._create_stdlib_context", "ssl.CERT_NONE", "ssl.wrap_socket"),
}
# Allowed where one keyword is written out.
IF_WRITTEN = {
    "numpy.load": "allow_pickle",
    "hashlib.md5": "usedforsecurity",
    "hashlib.sha1": "usedforsecurity",
    "hashlib.new": "usedforsecurity",
}
METHODS = {"extractall": "any", "extract": "archive"}
ARCHIVES = {"tarfile", "zipfile"}
# Keyword -> the only values that it may have; an expression has none of them.
KEYWORDS: dict[str, tuple[object, ...]] = {
    "shell": (False,),
    "trust_remote_code": (False,),
    "allow_pickle": (False,),
    "use_safetensors": (True,),
    "usedforsecurity": (False,),
    "weights_only": (),
}
NEVER = {
    "verify": (False,),
    "check_hostname": (False,),
    "assert_hostname": (False,),
    "cert_reqs": ("CERT_NONE", "NONE"),
}
LOADERS = {"yaml.SafeLoader", "yaml.CSafeLoader", "yaml.BaseLoader"}


def forbidden(tree: ast.AST) -> Iterator[str]:
    """Every forbidden import, name, keyword and value of a file, with its line."""
    aliases = imported(tree)
    written = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_written(node, aliases)}
    archives = ARCHIVES & {name.split(".")[0] for name in aliases.values()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (f"{node.lineno}: {name}" for name in targets(node) if is_forbidden(name))
        elif isinstance(node, ast.Call):
            yield from _in_call(node, aliases)
        elif isinstance(node, ast.Dict):
            pairs = ((getattr(key, "value", None), value) for key, value in zip(node.keys, node.values, strict=True))
            yield from (f"{node.lineno}: {name}" for name, value in pairs if _is_bad_value(name, value, aliases))
        elif isinstance(node, ast.Assign):
            names = (target.attr for target in node.targets if isinstance(target, ast.Attribute))
            yield from (f"{node.lineno}: {name}" for name in names if _is_bad_value(name, node.value, aliases))
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in written:
            yield from _in_name(node, aliases, bool(archives))


def imported(tree: ast.AST) -> dict[str, str]:
    """Name in this file -> what it stands for: ``import torch as t`` gives t: torch; also ``load = torch.load``."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and not node.level:
            aliases |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute | ast.Call):
            whole = resolved(node.value, aliases)
            known = {name.split(".")[0] for name in aliases.values()}
            if isinstance(node.value, ast.Call) or whole.split(".")[0] in known:
                aliases |= {target.id: whole for target in node.targets if whole and isinstance(target, ast.Name)}
    return aliases


def targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Full names of what an import brings in; a star counts as the module and everything that is forbidden in it."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif not node.level:
        for alias in node.names:
            star = [name for name in NAMES if alias.name == "*" and name.startswith(f"{node.module}.")]
            yield from star[:1] or [f"{node.module}.{alias.name}"]


def is_forbidden(name: str) -> bool:
    """Whether a full name is forbidden, or lies in a forbidden module."""
    parts = name.split(".")
    return name in NAMES or any(".".join(parts[: end + 1]) in MODULES for end in range(len(parts)))


def resolved(node: ast.expr, aliases: dict[str, str]) -> str:
    """``torch.load`` of an expression that means it, through aliases and getattr; empty for anything else."""
    if isinstance(node, ast.Attribute):
        owner = resolved(node.value, aliases)
        return f"{owner}.{node.attr}" if owner else ""
    if isinstance(node, ast.Call):
        return _looked_up(node, aliases)
    return aliases.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _looked_up(call: ast.Call, aliases: dict[str, str]) -> str:
    """What ``getattr(torch, "load")`` and ``import_module("torch")`` stand for."""
    name = resolved(call.func, aliases)
    texts = [each.value if isinstance(each, ast.Constant) else None for each in call.args]
    if name == "getattr" and len(texts) > 1 and isinstance(texts[1], str):
        return f"{resolved(call.args[0], aliases)}.{texts[1]}"
    if name == "importlib.import_module" and texts and isinstance(texts[0], str):
        return texts[0]
    return ""


def _in_name(node: ast.Attribute | ast.Name, aliases: dict[str, str], archives: bool) -> Iterator[str]:
    name = resolved(node, aliases)
    owner = resolved(node.value, aliases) if isinstance(node, ast.Attribute) else ""
    variable = isinstance(node, ast.Name) and node.id not in aliases and node.id in MODULES
    if (is_forbidden(name) or name in IF_WRITTEN) and not is_forbidden(owner) and not variable:
        yield f"{node.lineno}: {name}"
    elif isinstance(node, ast.Attribute) and (METHODS.get(node.attr) == "any" or (archives and node.attr in METHODS)):
        yield f"{node.lineno}: .{node.attr}"


def _in_call(call: ast.Call, aliases: dict[str, str]) -> Iterator[str]:
    if is_forbidden(name := _looked_up(call, aliases)):
        yield f"{call.lineno}: {name}"
    for keyword in call.keywords:
        if _is_bad_value(keyword.arg, keyword.value, aliases):
            yield f"{call.lineno}: {keyword.arg}="


def _is_bad_value(name: object, value: ast.expr, aliases: dict[str, str]) -> bool:
    constant = value.value if isinstance(value, ast.Constant) else None
    if name == "Loader":
        return resolved(value, aliases) not in LOADERS
    if name in KEYWORDS:
        return not any(constant is allowed for allowed in KEYWORDS[str(name)])
    return any(constant == bad and type(constant) is type(bad) for bad in NEVER.get(str(name), ()))


def _is_written(call: ast.Call, aliases: dict[str, str]) -> bool:
    """Whether the call writes out the keyword that makes its function harmless."""
    needed = IF_WRITTEN.get(resolved(call.func, aliases))
    return needed is not None and any(keyword.arg == needed for keyword in call.keywords)
