"""Any HTTP platform that lists its records, described in data: access, paging, cursor, error verbs, field map."""

from adapters.feed.adapter import FeedAdapter
from adapters.feed.settings import FeedSettings

__all__ = ["FeedAdapter", "FeedSettings"]
