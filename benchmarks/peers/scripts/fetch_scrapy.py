"""A Scrapy spider with the settings of somebody in a hurry: 64 at a time, no throttle, no robots.txt, no cookies.

Its pipeline writes the same Parquet rows as the other scripts. Scrapy does not check certificates unless told so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import scrapy
from arguments import arguments, urls_of
from parquet_batches import ParquetBatches
from scrapy.crawler import CrawlerProcess


class ToParquet:
    def __init__(self, path: str) -> None:
        self._batches = ParquetBatches(path)

    @classmethod
    def from_crawler(cls, crawler: Any) -> ToParquet:
        return cls(crawler.settings["PEERS_OUTPUT"])

    def process_item(self, item: dict[str, Any]) -> dict[str, Any]:
        self._batches.add(item["url"], item["status"], item["body"])
        return item

    def close_spider(self) -> None:
        self._batches.__exit__(None, None, None)


class Pages(scrapy.Spider):
    name = "pages"

    async def start(self) -> AsyncIterator[Any]:
        for url in urls_of(self.settings["PEERS_INPUT"]):
            yield scrapy.Request(url, dont_filter=True)

    def parse(self, response: Any) -> Any:
        yield {"url": response.url, "status": response.status, "body": response.body}


def main() -> None:
    args = arguments()
    process = CrawlerProcess(
        {
            "PEERS_INPUT": args.input,
            "PEERS_OUTPUT": args.output,
            "CONCURRENT_REQUESTS": args.concurrency,
            "CONCURRENT_REQUESTS_PER_DOMAIN": args.concurrency,
            "DOWNLOAD_DELAY": 0,
            "ROBOTSTXT_OBEY": False,
            "AUTOTHROTTLE_ENABLED": False,
            "COOKIES_ENABLED": False,
            "TELNETCONSOLE_ENABLED": False,
            "LOG_LEVEL": "ERROR",
            "ITEM_PIPELINES": {ToParquet: 100},
            "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
        }
    )
    process.crawl(Pages)
    process.start()


main()
