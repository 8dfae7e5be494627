"""What is watched while a model trains, and what follows from it; docs/monitor.md has the rules."""
