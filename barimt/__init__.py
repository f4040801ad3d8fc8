"""The composition root: the one command, the app that mounts every face, the demo."""
