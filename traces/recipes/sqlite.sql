-- What traces/sqlite.vxt is a part of: inserts, an index, a join, an update, a sort.
create table item(id integer primary key, name text, price integer, maker integer);
create table maker(id integer primary key, name text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)
    insert into maker select i, printf('maker %d', (i * 7919) % 200) from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)
    insert into item select i, hex((i * 2654435761) % 4294967296), (i * 48271) % 9973, (i * 31) % 200 + 1 from n;
create index item_price on item(price);
select maker.name, count(*), sum(price) from item join maker on maker.id = item.maker
    where price between 1000 and 8000 group by maker.name order by 3 desc limit 20;
update item set price = price + 1 where id % 3 = 0;
select name from item where price > 9000 order by name limit 50;
