"""The words of the trade: one spelling for tables, API, pages, templates and docs."""

from enum import StrEnum


class Priority(StrEnum):
    """How urgent a request is: 紧急, 高, 中, 低."""

    URGENT = "urgent"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Category(StrEnum):
    """The one primary type of a request (row A3, B3): 售前咨询, 售后技术, 售后请求, 投诉建议, 其他."""

    PRE_SALES = "pre_sales"
    AFTER_SALES_TECHNICAL = "after_sales_technical"
    AFTER_SALES_REQUEST = "after_sales_request"
    COMPLAINT = "complaint"
    OTHER = "other"


class TicketState(StrEnum):
    """Where a ticket stands: 待分配, 处理中, 待反馈, 已解决, 已关闭."""

    TO_ASSIGN = "to_assign"
    IN_PROGRESS = "in_progress"
    AWAITING_FEEDBACK = "awaiting_feedback"
    RESOLVED = "resolved"
    CLOSED = "closed"


class NoRequest(StrEnum):
    """Why staff found that a ticket is no request (`closed` with the reason `not_a_ticket`)."""

    ADVERTISEMENT = "advertisement"
    WRONG_ADDRESS = "wrong_address"
    AUTOMATIC = "automatic"
    DUPLICATE = "duplicate"
    TEST = "test"
    OTHER = "other"


MERGED = "merged"
"""The close reason of a ticket that goes on in another one, and why its deadlines and messages ended."""

NOT_A_TICKET = "not_a_ticket"
"""The close reason of a ticket that staff dismissed, and why its deadlines and messages ended."""


IMPORTED = "imported"
"""The close reason of a request of the past that came in from a table, and why it is unrated (补录)."""


class Role(StrEnum):
    """What a member of staff may see and decide."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    QUALITY = "quality"
    ADMINISTRATOR = "administrator"


class Lane(StrEnum):
    """How urgent the *sending* is; each lane has its own threads and relay connections."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"


class Medium(StrEnum):
    """By which channel somebody is reached."""

    EMAIL = "email"
    SMS = "sms"
    CHAT = "chat"
    PHONE = "phone"
    CONSOLE = "console"
    PUSH = "push"


class DeadlineKind(StrEnum):
    """What a deadline row watches over; `actors` maps each to the step that handles its alarms."""

    FIRST_RESPONSE = "first_response"
    PLAN = "plan"
    RESOLUTION = "resolution"
    ACCEPTANCE = "acceptance"
    ESCALATION = "escalation"
    SURVEY_INVITATION = "survey_invitation"
    SURVEY = "survey"
    CONFIRMATION = "confirmation"
    FOLLOWUP_START = "followup_start"
    FOLLOWUP_DUE = "followup_due"
    CHAT_POST = "chat_post"
    ASSIGNMENT = "assignment"
    PROGRESS = "progress"
    WAITING = "waiting"


class DeadlineState(StrEnum):
    """What became of a deadline; `breached` may still be met late."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    WITHDRAWN = "withdrawn"


class NotificationState(StrEnum):
    """What became of a message; sent is not delivered, and unknown is said."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    RETRYING = "retrying"
    HELD = "held"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    MERGED = "merged"
    UNKNOWN = "unknown"


class EventState(StrEnum):
    """What became of an event that came in; `poison` is kept raw and can be run again."""

    RECEIVED = "received"
    DONE = "done"
    REJECTED = "rejected"
    POISON = "poison"


class FollowupState(StrEnum):
    """Where a second follow-up stands: open, started, 待验证 to_verify, 已达标 met, 未达标 not_met.

    `ended` 已终止: it came to an end without a verdict, since its customer was erased.
    """

    OPEN = "open"
    STARTED = "started"
    TO_VERIFY = "to_verify"
    MET = "met"
    NOT_MET = "not_met"
    ENDED = "ended"

    @property
    def over(self) -> bool:
        """Whether nothing is to be done any more."""
        return self in (FollowupState.MET, FollowupState.ENDED)


class TargetState(StrEnum):
    """What became of a target: reached 已达成, missed 未达成, or too few cases to say so."""

    RUNNING = "running"
    REACHED = "reached"
    MISSED = "missed"
    TOO_FEW = "too_few"
    WITHDRAWN = "withdrawn"


class ImprovementState(StrEnum):
    """Where an improvement stands: 待验证 to_verify, 已达标 met, 未达标 not_met (a review report is due).

    `withdrawn` 已撤回: it was given up without a verdict.
    """

    TO_VERIFY = "to_verify"
    MET = "met"
    NOT_MET = "not_met"
    WITHDRAWN = "withdrawn"

    @property
    def over(self) -> bool:
        """Whether nothing is to be done any more."""
        return self in (ImprovementState.MET, ImprovementState.WITHDRAWN)


class CommunicationState(StrEnum):
    """Where a communication record stands: 开放, 关闭."""

    OPEN = "open"
    CLOSED = "closed"


class KnowledgeState(StrEnum):
    """Where a knowledge entry stands: 草稿, 已发布, 已停用."""

    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


class Dimension(StrEnum):
    """What a CSAT answer rates, each 1 (非常不满意) to 5 (非常满意)."""

    OVERALL = "overall"
    ATTITUDE = "attitude"
    COMPETENCE = "competence"
    SPEED = "speed"
    CONVENIENCE = "convenience"
    SOLVED = "solved"


RESENT = frozenset({Medium.EMAIL, Medium.PUSH})
"""What of unknown fate is sent again: the other side knows it by its id (Message-ID, `webhook-id`)."""

HUMAN_MESSAGES = frozenset({"reply_to_customer", "result_feedback", "progress_notice"})
"""Messages in a person's words: they may be a first response, and are not marked as automatic (RFC 3834)."""
