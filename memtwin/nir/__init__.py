"""Networks of others: NIR files in and out, and what is stored in them."""
