"""The image API: one Lambda function that turns an HTTP request into a call of the deployed SDXL model, and back.

How a request travels::

    api.handler -> application -> dialects.<name> -> request.GenerationRequest -> prompt_layer -> backends.<source>
                                                                                                         |
    reply       <- application <- dialects.<name> <- image_store (what does not fit) <- GenerationResult <-

A new client convention is one file in `dialects/`; a new model is one file in `backends/`. Nothing in `dialects/` knows
AWS, nothing in `backends/` knows HTTP, and both know only the domain model in `request.py`. What they share lies
between: `prompt_layer.py` refuses terms and turns styles into words, for every convention and every model.
"""
