import pytest

# Tests import helpers from it before it becomes a plugin: said here, its asserts explain themselves all the same.
pytest.register_assert_rewrite("tests.bot.browser")
