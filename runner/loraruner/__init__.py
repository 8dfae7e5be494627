"""loraruner: one JSON job in, a verified and versioned LoRA adapter out."""

__version__ = "0.1.0"
