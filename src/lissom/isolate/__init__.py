"""Child processes with limits, for whatever a stranger's file may crash. Imports errors only."""
