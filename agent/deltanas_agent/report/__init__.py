"""The report of runs: facts from the store, statistics, figures, one page, and the data behind it.

Nothing here writes: `files.report_files` returns texts by name, and `page.render` the page alone.
"""
