"""Sentences in several languages, for tests of what rows are written in."""

SENTENCES = {
    "en": (
        "We got up early this morning and walked to the market to buy fresh bread.",
        "The old bridge has been closed since last week because of the high water.",
        "My sister would like to learn how to repair clocks with our neighbour.",
        "If it rains again tomorrow, we will stay at home and read a good book.",
    ),
    "de": (
        "Heute morgen sind wir früh aufgestanden und zum Markt gegangen, um frisches Brot zu kaufen.",
        "Die alte Brücke wurde in der letzten Woche wegen des Hochwassers gesperrt.",
        "Meine Schwester möchte bei unserem Nachbarn lernen, wie man Uhren repariert.",
        "Wenn es morgen wieder regnet, bleiben wir zu Hause und lesen ein gutes Buch.",
    ),
    "fr": (
        "Ce matin nous nous sommes levés tôt et nous sommes allés au marché acheter du pain frais.",
        "Le vieux chemin est fermé depuis la semaine dernière à cause des hautes eaux.",
        "Ma sœur voudrait apprendre à réparer des horloges chez notre voisin.",
        "S'il pleut encore demain, nous resterons à la maison et nous lirons un bon livre.",
    ),
    "es": (
        "Esta mañana nos levantamos temprano y fuimos al mercado a comprar pan fresco.",
        "El puente viejo está cerrado desde la semana pasada porque el agua está muy alta.",
        "Mi hermana quiere aprender a reparar relojes con nuestro vecino.",
        "Si mañana llueve otra vez, nos quedaremos en casa y leeremos un buen libro.",
    ),
    "pt": (
        "Hoje de manhã levantámo-nos cedo e fomos ao mercado comprar pão fresco.",
        "A ponte velha está fechada desde a semana passada por causa das águas altas.",
        "A minha irmã gostaria de aprender a consertar relógios com o nosso vizinho.",
        "Se amanhã chover outra vez, ficaremos em casa e leremos um bom livro.",
    ),
    "ru": (
        "Сегодня утром мы рано встали и пошли на рынок купить свежего хлеба.",
        "Старый мост закрыли на прошлой неделе из-за высокой воды.",
        "Моя сестра хочет научиться чинить старые часы и мебель.",
    ),
    "zh": (
        "今天早上我们很早起床去市场买新鲜的面包。",
        "因为水位太高这座旧桥从上周开始就关闭了。",
        "我的姐姐想跟我们的邻居学习怎么修理钟表。",
    ),
    "ja": (
        "今朝は早く起きて新しいパンを買いに市場へ行きました。",
        "古い橋は水が高いため先週から閉まっています。",
        "姉は隣の人から時計の直し方を習いたいと言っています。",
    ),
}
