"""Public: what authors of rules, notifiers, stores and sources test theirs with."""
