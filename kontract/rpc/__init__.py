"""Calls: functions of the project that clients run over HTTP, validated by their annotations."""
