"""The model server for SDXL weights of a team's own: a program beside the toolkit, which imports nothing of it."""
