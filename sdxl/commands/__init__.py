"""The commands of `sdxl`, one module each."""
