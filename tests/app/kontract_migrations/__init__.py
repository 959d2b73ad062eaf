"""Migration files of this app: tests add folders of their own to the package."""
