"""Sheets of paper about a case: one page to put before the leader (呈阅单) or to hand a matter on with (交办单)."""
