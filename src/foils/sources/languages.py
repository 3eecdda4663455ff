"""Function words and stemmers by language: what tells languages apart, and what a word index leaves out."""

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    """Script (first word of its Unicode character names), Snowball stemmer if there is one, function words."""

    script: str
    stemmer: str
    function_words: str


LANGUAGES: dict[str, Language] = {
    "en": Language(
        "LATIN",
        "english",
        "a about an and are as at be been but by can could did do does for from had has have he her his how i if in "
        "into is it its no not of on or she so such than that the their them then there these they this to was we "
        "were what when where which who why will with would you your s t d ll m re ve",
    ),
    "de": Language(
        "LATIN",
        "german",
        "aber als am an auch auf aus bei bis das dass dem den der des die durch ein eine einem einen einer eines er es "
        "für hat ich im in ist mit nach nicht noch nur oder sich sie sind so über um und von vor war was welche wenn "
        "wer werden wie wird wir wo wurde zu zum zur",
    ),
    "fr": Language(
        "LATIN",
        "french",
        "à au aux avec c ce ces cette comment d dans de des du elle en est et être eux il ils j je l la le les leur "
        "lui mais n ne nous on ou où par pas plus pour qu que quel quelle qui s sa se ses son sont sur un une vous y",
    ),
    "es": Language(
        "LATIN",
        "spanish",
        "a al como con cual cuando cuál cómo de del donde dónde e el ella en entre era es esta este está fue ha hay "
        "la las lo los más no o para pero por que qué quién se ser si sin sobre son su sus también un una y ya",
    ),
    "it": Language(
        "LATIN",
        "italian",
        "a ai al alla anche che chi come con da dal dalla dei del della delle di dove e è ed era gli ha i il in l la "
        "le lo ma nel nella non o per perché più quale quando questo se si sono su sua suo un una uno",
    ),
    "pt": Language(
        "LATIN",
        "portuguese",
        "a ao aos as com como da das de do dos e ela ele em entre era essa esta este foi há isso já mais mas na não "
        "nas no nos o onde os ou para pela pelo por qual quando que quem são se sem ser seu sua também um uma é",
    ),
    "nl": Language(
        "LATIN",
        "dutch",
        "aan als bij dat de deze die dit door een en er had heeft het hij hoe ik in is kan maar met naar niet nog of "
        "om onder ook op over te tot uit van voor waar waren was wat welke werd wie wordt ze zich zij zijn",
    ),
    "sv": Language(
        "LATIN",
        "swedish",
        "alla att av de den det dem där efter eller en ett från för han har hon hur i in inte jag kan man med men "
        "mot när och om på sig sin som så till under upp ut vad var vem vi vid vilken är även över",
    ),
    "da": Language(
        "LATIN",
        "danish",
        "af at blev de den der det efter eller en er et fra for han har havde hun hvad hvem hvor hvordan i ikke jeg "
        "kan man med men mod når og også om op på sig sin skal som så til var ved vi være",
    ),
    "no": Language(
        "LATIN",
        "norwegian",
        "av at ble de den der det en er et etter eller fra for han har hun hva hvem hvor hvordan i ikke jeg kan man "
        "med men mot når og også om opp på seg sin skal som så til var ved vi være",
    ),
    "fi": Language(
        "LATIN",
        "finnish",
        "ei en että hän he ja jo joka jos kanssa koska kuin kuka kun me mikä missä miten mitä mutta myös ne nyt olen "
        "oli on ovat se sekä sen siitä sinä tai tämä vain voi",
    ),
    "hu": Language(
        "LATIN",
        "hungarian",
        "a az azt be csak de egy el én és ez ezt ha hogy hogyan hol is itt ki kell le lehet már meg mely melyik mert "
        "mi mikor mint miért mit nagy nem ő még s szerint vagy van volt",
    ),
    "ro": Language(
        "LATIN",
        "romanian",
        "a acest această ai al ale am ar au ca care când ce cea cel cele cine cu cum de din după e este eu fi fost în "
        "îi îl își la lor lui mai nu o pe pentru prin sa sau se și sunt un una unde unei unui",
    ),
    "pl": Language(
        "LATIN",
        "polish",
        "a ale być był była było co czy dla do gdy gdzie go i ich jak jaki jako jego jej jest już kiedy kto która "
        "które który lub na nie o od oraz po pod przez przy są się tak tego ten to tym w we z za że",
    ),
    "cs": Language(
        "LATIN",
        "czech",
        "a ale ani asi az být bylo by co do i jak jako je jeho její jejich jen ještě kde kdo když která které který "
        "má mezi na nebo není o od po pod podle pro proti s se si jsou ta tak to tím u v ve z za že",
    ),
    "tr": Language(
        "LATIN",
        "turkish",
        "ama ancak bir bu çok da daha de değil en gibi göre hangi her için ile ise kadar ki kim mi mı mu mü nasıl "
        "ne neden nerede olan olarak oldu olduğu onun sonra şu tarafından ve veya ya",
    ),
    "id": Language(
        "LATIN",
        "indonesian",
        "ada adalah akan apa atau bagaimana bahwa dalam dan dapat dari dengan di dia ini itu juga kami karena ke "
        "kepada mana mereka oleh pada saat saya sebagai siapa telah tidak untuk yang",
    ),
    "ca": Language(
        "LATIN",
        "catalan",
        "a al als amb aquest aquesta com d de del dels el els en entre era és està ha hi i l la les li més no o on "
        "per però pot què quan qui s se seu seva són també un una va",
    ),
    "vi": Language(
        "LATIN",
        "",
        "ai bao bị bởi cho có của cũng đã đang để đến được gì hay khi không là làm mà một nào này như những nơi ở ra "
        "sau sẽ tại thì theo trên trong từ và vào về với",
    ),
    "ru": Language(
        "CYRILLIC",
        "russian",
        "а бы был была были было в вы где для до его ее если же за и из или их к как какой какие когда кто ли мы на "
        "не но о об он она они от по при с со так также то только у чем что чтобы это я",
    ),
    "uk": Language(
        "CYRILLIC",
        "",
        "а але був була були було в від він вона вони де для до з за і із й його її їх коли на не ні о по при про та "
        "так також те ти то у хто це цей чи що як яка який якщо є",
    ),
    "bg": Language(
        "CYRILLIC",
        "",
        "а без беше в ви във все да до е за защо и из или има как какво кога кой която които който към ли му на не "
        "но от по при с са се си след със това той тя че",
    ),
    "el": Language(
        "GREEK",
        "greek",
        "αν από απο για δεν ένα ένας είναι ειναι ή ήταν η και με μια μία να ο οι όταν όπως που πού ποιος ποια ποιο "
        "πως πώς σε στη στην στις στο στον στους τα τη την της τι τις το τον του τους των ως",
    ),
    "ar": Language(
        "ARABIC",
        "arabic",
        "إلى التي الذي الذين أن أو أي إن أين بعد بين تم ثم حتى حيث ذلك على عن عند عندما غير في قد كان كانت كل كم كما "
        "كيف لا لم ليس ما ماذا متى مع من منذ هذا هذه هل هو هي و وقد وكان ولا يكون",
    ),
    "fa": Language(
        "ARABIC",
        "persian",
        "آن آنها است اما اند این با باید بر برای به بود تا چه چگونه چند چیست خود در دارد دو را شد شده شود کجا کدام "
        "کرد کند که کی ما می نیز هر های هم و یا یک",
    ),
    "ur": Language(
        "ARABIC",
        "",
        "اس ان اور ایک بھی پر تھا تھی تک جو سے کا کر کس کو کون کہ کہاں کی کیا کے لیے میں نے نہیں وہ ہوا ہے ہیں یہ",
    ),
    "hi": Language(
        "DEVANAGARI",
        "hindi",
        "और इस इसके उस उसके एक एवं ऐसे और कब कर करने कहाँ का किया किस की के को कौन क्या जब जाता जो तक तथा तो था थी थे "
        "द्वारा नहीं ने पर भी में यह या ये लिए वह वे से है हैं हो होता",
    ),
    "mr": Language(
        "DEVANAGARI", "", "असे आणि आहे आहेत एक कधी करून का काय कोण च चे चा ची ते ती तो त्या नाही पण मध्ये या व हा ही हे होते होता"
    ),
    "ne": Language(
        "DEVANAGARI", "nepali", "अनि एक का को गर्न गरेको छ छन् तथा थियो पनि भएको भने मा यस यो र रहेको लाई ले हुन् हो"
    ),
    "ta": Language("TAMIL", "tamil", "அது அந்த இது இந்த இருந்து என என்ற ஒரு மற்றும் மேலும் யார் வேண்டும்"),
    "hy": Language("ARMENIAN", "armenian", "այդ այն այս դա է եմ են էր համար հետ մեջ որ որը ու և"),
    "he": Language("HEBREW", "", "אל את גם היא הוא היה זה יש כי כל לא מה מי על עם של"),
    "et": Language("LATIN", "estonian", "ei ega et ja kas kes kui kus ka mis nii oli on oma see seda siis ta või"),
    "lt": Language("LATIN", "lithuanian", "apie ar bet bei dėl iki ir iš jis jo kad kai kaip kas su tai už yra į"),
    "eu": Language("LATIN", "basque", "bat baina batean da dago dira du edo egin eta ez izan nola non zer ziren zuen"),
    "ga": Language("LATIN", "irish", "agus ag an ar bhí cad chun don go gur is le leis na ní nó ó sa seo sé sin tá"),
    "zh": Language("CJK", "", ""),
    "ja": Language("CJK", "", ""),
    "ko": Language("HANGUL", "", ""),
    "th": Language("THAI", "", ""),
}
