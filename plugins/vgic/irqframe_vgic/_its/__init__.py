"""The Interrupt Translation Service: messages become LPIs, by tables in guest memory."""
