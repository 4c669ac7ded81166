"""
The faults by which tools lose documents, each as a change of docferry's code.

`planted_faults.py` plants them. When a change of the code makes a fault's old text vanish,
look where the same mistake could be made now.
"""

from __future__ import annotations

from fault import Fault
from faults_api import OF_THE_API
from faults_archive import ARCHIVE
from faults_asked import ASKED_FOR
from faults_audit import OF_THE_AUDIT
from faults_brake import BRAKE
from faults_canary import CANARIES
from faults_commands import COMMANDS_SAY
from faults_confining import CONFINING
from faults_converters import CONVERTERS
from faults_deciding import DECIDING
from faults_doing import DOING
from faults_hints import HINTS
from faults_hostile import HOSTILE
from faults_housekeeping import HOUSEKEEPING
from faults_inspecting import INSPECTING
from faults_jobs import JOBS_DONE
from faults_keys import OF_KEYS
from faults_large import OF_LARGE_FILES
from faults_leaving import LEAVING
from faults_listing import LISTED_APART
from faults_machine import OF_THE_MACHINE
from faults_monitoring import MONITORING
from faults_names import NAMES
from faults_of_doubt import OF_DOUBT
from faults_of_rot import OF_ROT
from faults_orders import OF_ORDERS
from faults_packages import OF_PACKAGES
from faults_page import OF_THE_PAGE
from faults_parts import PARTS
from faults_power import OF_THE_POWER
from faults_process import PROCESSING
from faults_rebuilding import REBUILDING
from faults_reload import RELOADING
from faults_results import OF_RESULTS
from faults_said import OF_WHAT_IS_SAID
from faults_service import OF_THE_SERVICE
from faults_services import SERVED
from faults_slow import OF_THE_SLOW
from faults_store import OF_THE_STORE
from faults_strangers import STRANGERS
from faults_told import OF_WHAT_IS_TOLD
from faults_traffic import OF_TRAFFIC
from faults_versions import VERSIONS
from faults_waking import WAKING
from faults_webhooks import OF_WEBHOOKS
from faults_worker import OF_THE_WORKER

__all__ = ["FAULTS", "Fault"]

FAULTS = (
    *DECIDING,
    *BRAKE,
    *DOING,
    *HOSTILE,
    *ARCHIVE,
    *VERSIONS,
    *NAMES,
    *LEAVING,
    *JOBS_DONE,
    *PROCESSING,
    *OF_ROT,
    *OF_DOUBT,
    *REBUILDING,
    *STRANGERS,
    *ASKED_FOR,
    *COMMANDS_SAY,
    *INSPECTING,
    *RELOADING,
    *WAKING,
    *OF_TRAFFIC,
    *HINTS,
    *OF_THE_WORKER,
    *SERVED,
    *CONFINING,
    *CONVERTERS,
    *OF_RESULTS,
    *CANARIES,
    *PARTS,
    *OF_THE_POWER,
    *OF_LARGE_FILES,
    *OF_THE_AUDIT,
    *OF_KEYS,
    *HOUSEKEEPING,
    *LISTED_APART,
    *MONITORING,
    *OF_THE_SERVICE,
    *OF_ORDERS,
    *OF_PACKAGES,
    *OF_WEBHOOKS,
    *OF_THE_PAGE,
    *OF_THE_SLOW,
    *OF_WHAT_IS_SAID,
    *OF_WHAT_IS_TOLD,
    *OF_THE_API,
    *OF_THE_STORE,
    *OF_THE_MACHINE,
)
