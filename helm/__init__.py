"""The Helm chart as package data: the folder ``loraruner`` beside this file, for ``loraruner submit``."""
