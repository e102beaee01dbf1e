"""What happened: the event record, the JSON-lines sink, a recording read back, and the tracer that wraps the flow."""

from irqframe.observe._codes import CODES
from irqframe.observe._event import KINDS, Event, Recorder
from irqframe.observe._json_lines import JsonLines, read_events
from irqframe.observe._recording import Step, Steps
from irqframe.observe._tracer import FlowTracer

__all__ = ["CODES", "KINDS", "Event", "FlowTracer", "JsonLines", "Recorder", "Step", "Steps", "read_events"]
