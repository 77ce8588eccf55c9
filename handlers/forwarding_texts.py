"""Every sentence about sending a question to the secretary."""

OFFER = "Gửi câu hỏi cho bí thư"
SEND = "Xác nhận gửi"
DO_NOT = "Không gửi"
NOT_SENT = "Vâng, tôi không gửi gì."
NOBODY = "Hiện chưa gửi được: chi bộ chưa có bí thư nối máy với tôi. Đồng chí trao đổi trực tiếp giúp."
SENT_BEFORE = "Câu hỏi này đồng chí đã gửi bí thư rồi."
CHANGED = "Bí thư chi bộ vừa thay đổi, xin đồng chí xem lại:"


def preview(secretary: str, sent: str) -> str:
    """Show word for word what will be sent, to whom, and that the name goes with it."""
    return (
        f"Tôi sẽ gửi cho bí thư, đồng chí {secretary}, đúng những lời dưới đây, có kèm tên đồng chí. "
        f"Bí thư trả lời đồng chí trực tiếp.\n{sent}\nĐồng chí có gửi không?"
    )


def sent_as(member: str, question: str) -> str:
    """The words that the secretary reads."""
    return f"Đồng chí {member} hỏi: “{question}”"


def to_secretary(member: str, question: str) -> str:
    """The message to the secretary."""
    return (
        f"{sent_as(member, question)}\nTài liệu chưa trả lời được câu này. Đồng chí trả lời trực tiếp cho đồng chí ấy "
        "giúp; tôi không chuyển câu trả lời."
    )


def queued(secretary: str) -> str:
    """The question is on its way."""
    return f"Đã ghi nhận. Tôi sẽ chuyển câu hỏi cho đồng chí {secretary}; trong giờ nghỉ thì đợi đến sáng."
