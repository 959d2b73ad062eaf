"""The TypeScript client through the encrypted channel, on real servers."""
