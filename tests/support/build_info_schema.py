"""The shapes of Artifactory's build-info and promotion request, after build-info-go's buildinfo-schema.json."""

from typing import Any

HEX = {"sha1": 40, "md5": 32, "sha256": 64}
DIGESTS: dict[str, Any] = {name: {"type": "string", "pattern": f"^[0-9a-f]{{{size}}}$"} for name, size in HEX.items()}
AGENT: dict[str, Any] = {
    "type": "object",
    "required": ["name", "version"],
    "properties": {"name": {"type": "string"}, "version": {"type": "string"}},
    "additionalProperties": False,
}
ARTIFACT: dict[str, Any] = {
    "type": "object",
    "required": ["name", "type", *HEX],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "type": {"type": "string"},
        "path": {"type": "string"},
        "originalDeploymentRepo": {"type": "string"},
        **DIGESTS,
    },
    "additionalProperties": False,
}
DEPENDENCY: dict[str, Any] = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "pattern": "^[^:]+:[^:]+$"},
        "type": {"type": "string"},
        "scopes": {"type": "array", "items": {"type": "string"}},
        "requestedBy": {"type": "array"},
        **DIGESTS,
    },
    "additionalProperties": False,
}
MODULE: dict[str, Any] = {
    "type": "object",
    "required": ["id", "type", "artifacts"],
    "properties": {
        "id": {"type": "string"},
        "type": {"enum": ["pypi", "docker", "helm", "generic"]},
        "artifacts": {"type": "array", "items": ARTIFACT, "minItems": 1},
        "dependencies": {"type": "array", "items": DEPENDENCY},
    },
    "additionalProperties": False,
}
BUILD_INFO: dict[str, Any] = {
    "type": "object",
    "required": ["version", "name", "number", "started", "modules"],
    "properties": {
        "version": {"const": "1.0.1"},
        "name": {"type": "string", "minLength": 1},
        "number": {"type": "string", "minLength": 1},
        "started": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d{4})$"},
        "buildAgent": AGENT,
        "agent": AGENT,
        "durationMillis": {"type": "integer"},
        "principal": {"type": "string"},
        "url": {"type": "string"},
        "vcs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("url", "revision", "branch", "message")},
                "additionalProperties": False,
            },
        },
        "properties": {"type": "object", "additionalProperties": {"type": "string"}},
        "modules": {"type": "array", "items": MODULE, "minItems": 1},
    },
    "additionalProperties": False,
}
PROMOTION: dict[str, Any] = {
    "type": "object",
    "required": ["status", "sourceRepo", "targetRepo"],
    "properties": {
        **{
            name: {"type": "string"}
            for name in ("status", "comment", "ciUser", "timestamp", "sourceRepo", "targetRepo")
        },
        **{name: {"type": "boolean"} for name in ("copy", "artifacts", "dependencies", "failFast", "dryRun")},
        "scopes": {"type": "array", "items": {"type": "string"}},
        "properties": {"type": "object"},
    },
    "additionalProperties": False,
}
