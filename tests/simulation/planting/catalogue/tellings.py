"""Notices: what is told, once, to whom, and what the row says of it."""

from tests.simulation.planting import Defect

DEFECTS = (
    Defect(
        name="notices-not-swept",
        file="workers/sweeper.py",
        old="        notices = due_notices(connection, now_ms, SWEEP_ROWS_MAX)",
        new="        notices = []",
        breaks="a customer whose notice's bell was lost never hears",
        invariant="I2",
    ),
    Defect(
        name="told-in-observe-mode",
        file="workers/case_following.py",
        old="    if followed.decision_id is None or not desk.enforcing:",
        new="    if followed.decision_id is None:",
        breaks="customers are promised money while nothing is sent",
        invariant="notices",
    ),
    Defect(
        name="mail-to-nobody",
        file="workers/decision_notices.py",
        old="    if recipient is not None:",
        new="    if recipient is None:",
        breaks="customers who asked are not told",
        invariant="notices",
    ),
    Defect(
        name="doubt-not-counted",
        file="workers/notice_dispatch.py",
        old="        doubtful_sends = self._notice.doubtful_sends + 1",
        new="        doubtful_sends = self._notice.doubtful_sends",
        breaks="an e-mail goes out again and again, and its row does not say so",
        invariant="notices",
    ),
    Defect(
        name="dead-senders-doubt-not-counted",
        file="workers/notice_dispatch.py",
        old="    doubtful_sends = notice.doubtful_sends + 1",
        new="    doubtful_sends = notice.doubtful_sends",
        breaks="what a dead sender may have sent goes out again, and its row does not say so",
        invariant="notices",
    ),
    Defect(
        name="mailed-for-ever",
        file="workers/notice_dispatch.py",
        old="    return notice.channel is NoticeChannel.EMAIL and doubtful_sends >= DOUBTFUL_SENDS_MAX",
        new="    return notice.channel is NoticeChannel.EMAIL and doubtful_sends > 99",
        breaks="a customer gets one e-mail a dozen times",
        invariant="notices",
    ),
    Defect(
        name="sent-when-overtaken",
        file="workers/notice_dispatch.py",
        old="            raise _Overtaken",
        new="            return",
        breaks="a sender that lost its lease sends what somebody else is sending",
        invariant="I6",
        missing="a sender hardly ever loses its lease before anything has left",
    ),
    Defect(
        name="lost-answer-is-taken",
        file="workers/notice_dispatch.py",
        old="        if isinstance(error, AnswerLost):",
        new="        if isinstance(error, Unreachable):",
        breaks="an e-mail whose answer was lost leaves again as if it had not",
        invariant="notices",
    ),
)
