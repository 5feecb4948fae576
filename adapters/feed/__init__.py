"""Any HTTP platform that lists its records, described in data: access, paging, cursor, error verbs, field map."""
