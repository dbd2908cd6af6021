"""Cocotb benches of the shipped designs; these modules run inside a simulator (`memtwin.verify`)."""
