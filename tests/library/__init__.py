"""The app that the guide to models, docs/orm.md, builds."""
