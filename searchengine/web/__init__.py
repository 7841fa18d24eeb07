"""A web page and a REST API over one library: `create_app` in `app.py` puts them together."""
