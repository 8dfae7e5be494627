"""Thin clients of outside services: one way to ask over HTTP, and the calls that loraruner makes."""
