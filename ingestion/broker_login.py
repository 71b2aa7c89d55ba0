"""Tries the listener's login at the broker, once, without taking its session."""

import threading
import uuid
from typing import Any

from ingestion.listener import BrokerAddress

WAIT_SECONDS = 5.0


def login_problem(address: BrokerAddress) -> str | None:
    """Why the listener cannot log in at the broker; None where it can."""
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    answered, reasons = threading.Event(), []

    def told(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        reasons.append(reason)
        answered.set()

    client_id = f"aurora-doctor-{uuid.uuid4().hex[:8]}"
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv311)
    client.connect_timeout = WAIT_SECONDS
    client.username_pw_set(address.username, address.password)
    if address.is_encrypted:
        client.tls_set()
    client.on_connect = told
    try:
        client.connect(address.host, address.port)
        client.loop_start()
        if not answered.wait(WAIT_SECONDS):
            return f"it does not answer within {WAIT_SECONDS:.0f} s"
        return f"it refuses the login ({reasons[0]})" if reasons[0].is_failure else None
    except (OSError, ValueError) as error:
        return f"it cannot be reached ({error})"
    finally:
        client.disconnect()
        client.loop_stop()
