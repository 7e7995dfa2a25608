from arena_preference.datasets import AtomicWriteHooks
from arena_preference.lineage.hooks import LineageHooks

HOOKS = (LineageHooks(distribution="small", metrics="total"), AtomicWriteHooks())
