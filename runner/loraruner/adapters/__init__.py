"""LoRA injection, export formats and the proof that an exported file works."""
