"""What an image file says of itself: its settings, that a model made it (declaration), and who signed it.

`files.py` writes and reads the places that PNG, JPEG and WebP have for it, and decodes no pixel. `statements.py` has
the words, `credentials.py` signs and verifies C2PA manifests, `marker.py` marks the images of an answer, and
`inspection.py` reads every mark of a file.
"""
