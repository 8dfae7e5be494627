"""Tasks that are ready to train, each started once: template, claim, start."""
