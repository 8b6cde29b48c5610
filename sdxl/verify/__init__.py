"""Points that documentation alone has settled so far, looked at in a deployed environment."""
