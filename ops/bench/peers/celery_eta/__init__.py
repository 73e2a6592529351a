"""Celery with a time of arrival per task: a peer of the deadlines."""
