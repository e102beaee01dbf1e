"""What happened: the event record, the JSON-lines sink, and the tracer that wraps the flow."""

from irqframe.observe._event import KINDS, Event, Recorder
from irqframe.observe._json_lines import JsonLines, read_events
from irqframe.observe._tracer import FlowTracer

__all__ = ["KINDS", "Event", "FlowTracer", "JsonLines", "Recorder", "read_events"]
