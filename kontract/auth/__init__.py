"""Accounts, sessions and tokens: ``INSTALLED_APPS = [..., "kontract", "kontract.auth"]``."""
