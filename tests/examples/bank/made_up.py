"""
A bank's files, made up, in the format of the real ones.
"""

from collections.abc import Sequence
from pathlib import Path

ACCOUNTS = """\
"account_id";"district_id";"frequency";"date"
11;1;"POPLATEK MESICNE";930101
12;1;"POPLATEK TYDNE";930103
9;2;"POPLATEK MESICNE";950601
"""

CLIENTS = """\
"client_id";"birth_number";"district_id"
21;"706213";1
22;"450204";1
23;"406009";2
24;"561201";2
"""

DISPOSITIONS = """\
"disp_id";"client_id";"account_id";"type"
1;21;11;"OWNER"
2;24;11;"DISPONENT"
3;22;12;"OWNER"
4;23;9;"OWNER"
"""

TRANSACTIONS = """\
"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"
501;11;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;
502;12;930103;"PRIJEM";"VKLAD";1000.50;1000.50;"";;
503;11;930105;"VYDAJ";"VYBER";900.30;-200.30;" ";;
504;11;930131;"VYDAJ";"VYBER";30.00;-230.30;"SANKC. UROK";;
505;12;930131;"PRIJEM";"";4.10;1004.60;"UROK";;
506;12;930131;"VYDAJ";"VYBER";14.60;990.00;"SLUZBY";;
507;12;930201;"VYDAJ";"PREVOD NA UCET";500.00;490.00;"SIPO";"YZ";"87144583"
508;11;930202;"PRIJEM";"PREVOD Z UCTU";1000.00;769.70;"DUCHOD";"ST";"89597016"
509;12;930203;"VYBER";"VYBER KARTOU";40.00;450.00;"";;
"""

# The signed sums of the amounts above, in cents.
BALANCES = {"9": 0, "11": 769_70, "12": 450_00}


def write_files(folder: Path, *, transactions: str = TRANSACTIONS, **others: str) -> Path:
    """
    Write the four files into *folder*, some of them with another content: ``account="..."``.

    Returns:
        The folder.
    """
    folder.mkdir(exist_ok=True)
    contents = {"account": ACCOUNTS, "client": CLIENTS, "disp": DISPOSITIONS, "trans": transactions} | others
    for name, text in contents.items():
        (folder / f"{name}.asc").write_text(text, encoding="utf-8", newline="\r\n")
    return folder


def write_many(folder: Path, *, accounts: int, transactions: int) -> Path:
    """
    Write files with so many accounts, and so many transactions of 1.00 into each.
    """
    numbers = range(1, accounts + 1)
    return write_files(
        folder,
        account=_table('"account_id";"date"', [f"{number};930101" for number in numbers]),
        client=_table('"client_id"', [str(number) for number in numbers]),
        disp=_table('"client_id";"account_id";"type"', [f'{number};{number};"OWNER"' for number in numbers]),
        trans=_table(
            '"trans_id";"account_id";"date";"type";"operation";"amount";"k_symbol"',
            [
                f'{turn * accounts + number};{number};930101;"PRIJEM";"VKLAD";1.00;""'
                for turn in range(transactions)
                for number in numbers
            ],
        ),
    )


def _table(header: str, rows: Sequence[str]) -> str:
    return "\n".join([header, *rows, ""])
