"""The web page and the REST API over one library; `lexpix serve` starts them."""
