"""The app whose tables each tenant has."""
