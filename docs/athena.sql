SELECT
  "t8"."cell",
  "t8"."is_here",
  "t8"."place",
  "t8"."keys",
  "t8"."bytes",
  "t8"."rank",
  "t8"."key",
  "t8"."entity",
  "t8"."event",
  "t8"."event_at",
  "t8"."size",
  "t8"."last_modified",
  "t8"."etag"
FROM (
  SELECT
    "t7"."cell",
    "t7"."is_here",
    "t7"."place",
    "t7"."keys",
    "t7"."bytes",
    "t7"."row",
    "t7"."row"."rank" AS "rank",
    "t7"."row"."key" AS "key",
    "t7"."row"."entity" AS "entity",
    "t7"."row"."event" AS "event",
    "t7"."row"."event_at" AS "event_at",
    "t7"."row"."size" AS "size",
    "t7"."row"."last_modified" AS "last_modified",
    "t7"."row"."etag" AS "etag"
  FROM (
    SELECT
      "t6"."cell",
      "t6"."is_here",
      IF("t6"."plain", CAST(NULL AS VARCHAR), "t6"."place") AS "place",
      COUNT(*) AS "keys",
      SUM("t6"."size") AS "bytes",
      ARBITRARY(
        IF(
          "t6"."plain" OR (
            "t6"."place" IS NULL
          ),
          CAST(NULL AS ROW(
            "rank" TINYINT,
            "key" VARCHAR,
            "entity" VARCHAR,
            "event" INTEGER,
            "event_at" TIMESTAMP(6) WITH TIME ZONE,
            "size" BIGINT,
            "last_modified" TIMESTAMP(6) WITH TIME ZONE,
            "etag" VARCHAR
          )),
          TRY_CAST(ROW(
            "t6"."rank",
            "t6"."key",
            "t6"."entity",
            "t6"."event",
            "t6"."event_at",
            "t6"."size",
            "t6"."last_modified",
            "t6"."etag"
          ) AS ROW(
            "rank" TINYINT,
            "key" VARCHAR,
            "entity" VARCHAR,
            "event" INTEGER,
            "event_at" TIMESTAMP(6) WITH TIME ZONE,
            "size" BIGINT,
            "last_modified" TIMESTAMP(6) WITH TIME ZONE,
            "etag" VARCHAR
          ))
        )
      ) AS "row"
    FROM (
      SELECT
        "t5"."cell",
        "t5"."rank",
        "t5"."event",
        "t5"."min_bytes",
        COALESCE("t5"."place", "t5"."held") AS "place",
        "t5"."key",
        "t5"."entity",
        "t5"."event_at",
        "t5"."suspect_before",
        "t5"."size",
        "t5"."last_modified",
        "t5"."etag",
        "t5"."held",
        COALESCE(
          (
            "t5"."held" IS NOT NULL
          )
          AND (
            "t5"."rank" = 0
          )
          AND (
            "t5"."size" >= "t5"."min_bytes"
          )
          AND (
            (
              "t5"."suspect_before" IS NULL
            )
            OR (
              "t5"."last_modified" >= "t5"."suspect_before"
            )
          ),
          FALSE
        ) AS "plain",
        "t5"."held" IS NOT NULL AS "is_here"
      FROM (
        SELECT
          "t2"."cell",
          "t2"."rank",
          "t2"."event",
          "t2"."min_bytes",
          "t2"."place",
          "t2"."key",
          "t2"."entity",
          "t2"."event_at",
          "t2"."suspect_before",
          "t4"."size",
          "t4"."last_modified",
          "t4"."etag",
          "t4"."held"
        FROM "wanted" AS "t2"
        FULL OUTER JOIN (
          SELECT
            "t1"."size",
            "t1"."last_modified",
            "t1"."etag",
            "t1"."key" AS "held"
          FROM "objects" AS "t1"
        ) AS "t4"
          ON "t2"."place" = "t4"."held"
      ) AS "t5"
      WHERE
        (
          "t5"."held" IS NOT NULL
        ) OR (
          "t5"."rank" = 0
        )
    ) AS "t6"
    GROUP BY
      1,
      2,
      3
  ) AS "t7"
) AS "t8"
