"""HTTP faces: each turns an HTTP request into a `GenerationRequest`, and a `GenerationResult` or an error into a reply.

A new client convention is one module here that offers `read_text_to_image`, `result_reply` and `error_reply`, as
`stability_v1` does. Dialects know HTTP and the domain, and nothing of AWS.
"""
