"""Where scopes used to live."""

from cog.scope import Scope, current_scope, emit_metric

__all__ = ["Scope", "current_scope", "emit_metric"]
