"""The stand-in for SDXL: each variant's payload shapes, and a picture drawn without a model."""
