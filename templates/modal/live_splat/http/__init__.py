"""Requests and answers: who may call, how large a body may be, forms, uploads in turn, events."""
